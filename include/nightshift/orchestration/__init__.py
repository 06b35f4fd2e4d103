"""The Airflow edge: keyword arguments for KubernetesPodOperator, task callables, params."""
