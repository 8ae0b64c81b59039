"""From pictures to scores and labels by the fastest exact route."""
