# Python, with what people's requirements usually want to compile against. /venv is on the PATH, so that pip
# and python just work, here and in any Dockerfile that begins with it.
#
# First in the very words of node.Dockerfile: the two share this layer.
FROM davit/stack-base
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc g++ make pkg-config python3 libatomic1 git curl media-types \
 && rm -rf /var/lib/apt/lists/*
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-dev python3-venv libc6-dev libffi-dev libmariadb-dev libpq-dev libssl-dev zlib1g-dev \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /venv
ENV PATH=/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    VIRTUAL_ENV=/venv \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1
CMD ["/bin/bash"]
