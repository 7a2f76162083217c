"""`python -m flows` is `webtext`."""

from flows.cli import main

if __name__ == "__main__":
    main()
