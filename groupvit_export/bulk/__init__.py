"""Segmenting more images than one process should: on Ray Data, a bundle an actor, rows in Parquet."""
