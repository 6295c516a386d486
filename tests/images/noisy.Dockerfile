# An entry point that talks before and while it starts what it is given, as many served images do.
FROM modelcompat/debian:bookworm
RUN printf '#!/bin/sh\necho "== starting the server, please wait =="\necho "warning: no license" >&2\n"$@"\ncode=$?\necho "== bye =="\nexit $code\n' >/entry && chmod 755 /entry
ENV PYTHONSTARTUP=/nowhere PYTHONPATH=/nowhere
ENTRYPOINT ["/entry"]
