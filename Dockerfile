# The Airflow image: Airflow's four processes and the Dags. Scan pods run scanner/Dockerfile.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git ca-certificates fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 50000 --gid 0 --create-home airflow

WORKDIR /opt/nightshift
COPY requirements.txt ./
# --compile: without bytecode every task process pays seconds to import KubernetesPodOperator.
RUN pip install --no-cache-dir --require-hashes --compile -r requirements.txt

COPY dags ./dags
COPY include ./include
RUN python -m compileall -q include dags

ENV PYTHONPATH=/opt/nightshift/include \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/nightshift/dags
RUN install -d -o airflow -g 0 /opt/airflow
USER airflow
ENTRYPOINT ["python", "-m", "airflow"]
CMD ["version"]
