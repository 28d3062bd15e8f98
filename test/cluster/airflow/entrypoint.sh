#!/bin/bash
# What the real image's entrypoint does with its arguments: bash and Python are run, everything else is a command of airflow.
case "${1-}" in
bash | python | python3 | airflow) exec "$@" ;;
*) exec airflow "$@" ;;
esac
