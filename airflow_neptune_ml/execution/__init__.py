"""What happens when a task runs. Never imported while a DAG file is parsed."""
