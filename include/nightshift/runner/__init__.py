"""What runs inside pods: clone, scan and ingest work lists."""
