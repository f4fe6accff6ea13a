"""What ``neptune-ml doctor`` checks, one module per thing that can be wrong."""
