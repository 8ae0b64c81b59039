"""Train a published net as its authors did, score it after every block, report beside the paper."""
