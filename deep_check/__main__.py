"""`python -m deep_check`."""

from deep_check.cli import main

raise SystemExit(main())
