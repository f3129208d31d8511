"""Train: tokens in, standard checkpoints out; pretraining, midtraining, fine-tuning and preferences."""
