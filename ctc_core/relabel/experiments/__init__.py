"""The published experiments, simulated and real-world, on a features folder."""
