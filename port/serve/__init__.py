"""A page, and an endpoint, on which a net labels the pictures that it is sent."""
