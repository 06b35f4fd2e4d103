"""How a placement plan takes effect: what it asks of the cluster, drift, prediction and outcome."""
