"""Nightshift: scan a team's repositories every night on the team's own cluster."""
