"""What `recsys.train` is made of: options, batches, the step, validation, checkpoints."""
