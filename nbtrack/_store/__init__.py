"""The run directory: journal, Parquet parts, small documents. See FORMAT.md."""
