"""Streams: any split gives the whole sequence."""
