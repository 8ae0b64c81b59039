"""What the fast engines raise for a net, or a size of image, that the plain engine must take."""


class Unsuited(Exception):
    """The net cannot take this fast way; the text says which layer keeps it from that, and why."""
