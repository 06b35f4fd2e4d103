"""What the tasks do. Imported inside tasks only: these bring in the store and the cluster."""
