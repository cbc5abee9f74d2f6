"""A model over a task: media, engines, the run store. Stores raw replies and nothing else."""
