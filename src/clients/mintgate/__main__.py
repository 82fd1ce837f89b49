"""`python -m mintgate` is the `mintgate` command."""

from mintgate.cli import main

if __name__ == "__main__":
    main()
