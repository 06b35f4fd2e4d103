"""Pictures of plans for people. Values in, SVG or PNG out; knows neither cluster nor store."""
