"""Histograms of a torch model's gradients and parameters, while it is trained."""
