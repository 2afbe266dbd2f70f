"""What `recsys.train` is made of.

options     Options: every knob (no NumPy: the command line's options are made of it)
batches     Batch, BatchSampler: what a step is shown (NumPy)
step        TrainStep: losses and the optimiser's step (Paddle)
ease        the EASE part in closed form (NumPy)
validation  Validation: metrics on held-out ratings while training (NumPy)
checkpoint  Progress, Checkpoint: what a training can go on from
"""
