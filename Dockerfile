# The same make targets as outside, and nothing else.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
COPY . /src
RUN make -C /src deps && make -C /src install DESTDIR=/image

FROM debian:12-slim
COPY --from=build /src/Makefile /src/Makefile
RUN apt-get update && apt-get install -y --no-install-recommends make \
 && make -C /src deps-run && rm -rf /src /var/lib/apt/lists/*
COPY --from=build /image /
# ssl-dir: a named volume takes the owner of what it covers.
RUN install -d -o nobody -g nogroup -m 700 /var/lib/netbird
USER nobody
EXPOSE 10000 9090
ENTRYPOINT ["netbird-signal", "run", "--log-file", "console"]
