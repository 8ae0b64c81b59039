"""What a net is: its table, its picture, the time of its layers."""
