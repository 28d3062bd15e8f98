# Both images hold one static binary each and nothing else: no shell, no package, no root. `make build` makes the
# binaries first, so an image is what was tested. The roots of Mozilla are in the binaries.

FROM scratch AS webhook
COPY bin/webhook /webhook
USER 65532:65532
ENTRYPOINT ["/webhook"]

# The user is that of Airflow's own image, so that the files are Airflow's wherever the pod names no user.
FROM scratch AS fetcher
COPY bin/fetcher /fetcher
USER 50000
ENTRYPOINT ["/fetcher"]
