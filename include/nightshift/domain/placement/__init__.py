"""Which node should run what, and why. numpy and scipy are allowed here and nowhere else."""
