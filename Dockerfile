# The gateway and nothing else: Node, the runtime packages and the sources, which Node runs as they are.
#
#   docker build -t purser .
#   docker run --read-only --tmpfs /tmp -v ./config:/etc/purser:ro -v purser-state:/var/lib/purser -p 8402:8402 purser
#
# The configuration is /etc/purser/config.yaml; give it `state: { dir: /var/lib/purser }` and `listen.probes` on port
# 8404, which the health check asks. Any other command goes behind the image's name: … purser check

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
COPY bin ./bin
COPY src ./src
RUN mkdir /state

# glibc, certificates and an unprivileged user; no shell and no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /app /app
COPY --from=build --chown=65532:65532 --chmod=0700 /state /var/lib/purser
WORKDIR /etc/purser
USER 65532:65532
EXPOSE 8402 8403 8404
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["/usr/local/bin/node", "-e", "fetch('http://127.0.0.1:8404/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/usr/local/bin/node", "/app/bin/purser.js"]
CMD ["serve"]
