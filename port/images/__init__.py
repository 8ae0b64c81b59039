"""Pictures as arrays: reading, transforming, reading ahead."""
