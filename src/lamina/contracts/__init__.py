"""Is this layer right? Contracts that any Keras layer can be held to."""
