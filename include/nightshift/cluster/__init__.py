"""The only importer of the Kubernetes client outside orchestration."""
