"""`python -m wakeful.cli` is the same as `wakeful`."""

from wakeful.cli.app import main

if __name__ == "__main__":
    main()
