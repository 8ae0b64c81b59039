"""The sub-commands of `fcn`: each module holds one click command called `command`."""
