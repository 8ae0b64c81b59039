"""How well a net labels: metrics, the loop that scores, bounds, two models compared."""
