"""A causal model, sample by sample, exactly."""
