"""`python -m port` is `fcn`."""

from port.cli import main

if __name__ == '__main__':
    main(prog_name='fcn')
