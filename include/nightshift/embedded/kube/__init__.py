"""A local cluster: speaks the Kubernetes HTTP API, schedules like kube-scheduler, runs pods as processes.

It shares no code with the client side (nightshift.cluster), so a shared mistake cannot cancel out.
"""
