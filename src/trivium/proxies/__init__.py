"""The mixture search: small models trained on candidate mixtures, judged after fine-tuning.

Above the rooms, like `claims`: it calls the training stages of `train` and the arithmetic of `mix.search`.
"""
