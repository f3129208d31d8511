"""The run folder: atomic tables, fingerprints, the shard ledger, lineage and executors."""
