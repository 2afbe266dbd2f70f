from recsys.cli.app import main

main()
