"""What an image reaches of a net's padded blobs, and what stands where it does not: the net as a
list of operations, geometry along an axis, plans for given sizes, blank values (docs/padding.md).
"""
