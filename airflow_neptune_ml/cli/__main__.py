"""``python -m airflow_neptune_ml.cli`` is ``neptune-ml``."""

import sys

from airflow_neptune_ml.cli.main import main

sys.exit(main())
