"""Fast engines beside the plain one: the same numbers with less work (docs/padding.md, groups.md).

speed_up.py chooses among them. inference, training and labelled_scoring leave out what no image
reaches (reach/); groups computes several layers at once. Both take their convolutions from
convolutions/, and that takes the C kernels of kernels/.
"""
