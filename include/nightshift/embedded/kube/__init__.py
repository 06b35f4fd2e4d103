"""A local cluster: speaks the Kubernetes API, schedules like kube-scheduler, runs processes.

It shares no code with the client side (nightshift.cluster), so a shared mistake cannot cancel out.
"""
