# A system without any Python.
FROM modelcompat/debian:bookworm
RUN rm -rf /usr/bin/python* /usr/lib/python*
