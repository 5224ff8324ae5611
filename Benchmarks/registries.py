"""The registries that are compared, each in a folder and on a port of its own, and the content that each is given."""
import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import pathlib
import subprocess
import time

import origin

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
BLOB_BYTES = 50_000_000
TAGS = 10_000
REPOSITORY, MANY = "bench/app", "bench/tags"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Server:
    """A server of its own folder and port. `header` is what a request shows to be let in."""

    def __init__(self, name, work, with_token=False):
        self.name, self.folder, self.with_token = name, work / name.replace(", ", "-"), with_token
        self.address = f"127.0.0.1:{origin.free_port()}"
        self.folder.mkdir(parents=True)

    def run(self, arguments):
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        origin.wait_for(lambda: origin.can_connect(self.address), self.name)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def header(self, actions="pull", repository=REPOSITORY):
        return None

    def send(self, connection, method, path, body=b"", headers=(), expect=(200,)):
        sent = dict(headers)
        shown = self.header("pull,push", path.split("/blobs/")[0].split("/manifests/")[0].removeprefix("/v2/"))
        if shown:
            sent["Authorization"] = shown
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        answer.body = answer.read()
        if answer.status not in expect:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer.status} {answer.body[:300]}")
        return answer

    def connect(self):
        return http.client.HTTPConnection(self.address, timeout=120)

    def push_blob(self, connection, data, repository=REPOSITORY):
        """In two requests, as docker does it; the answer's address may be a whole URL."""
        start = self.send(connection, "POST", f"/v2/{repository}/blobs/uploads/", expect=(202,))
        location = start.getheader("Location").removeprefix(f"http://{self.address}")
        separator = "&" if "?" in location else "?"
        self.send(
            connection, "PUT", f"{location}{separator}digest={digest_of(data)}", body=data,
            headers={"Content-Type": "application/octet-stream"}, expect=(201,))

    def push_manifest(self, connection, data, reference, repository=REPOSITORY):
        self.send(
            connection, "PUT", f"/v2/{repository}/manifests/{reference}", body=data,
            headers={"Content-Type": MANIFEST}, expect=(201,))

    def fill(self, content):
        connection = self.connect()
        for repository, blobs in ((REPOSITORY, content.blobs), (MANY, content.blobs[:-1])):
            for data in blobs:
                self.push_blob(connection, data, repository)
        self.push_manifest(connection, content.manifest, "v1")
        self.push_manifest(connection, content.manifest, content.digest)
        if self.with_token:
            return

        def push(part):
            own = self.connect()
            for number in range(part, TAGS, 16):
                self.push_manifest(own, content.small, f"v{number}", MANY)

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(push, range(16)))


class Strata(Server):
    def __init__(self, name, work, binary, with_token):
        super().__init__(name, work, with_token)
        self.root, self.tokens = self.folder / "root", {}
        binary = str(pathlib.Path(binary).resolve())
        if with_token:
            subprocess.run(
                [binary, "registry", "user", "add", "bench", "--admin", "--password-stdin", "--root", self.root],
                input=b"secret\n", check=True, stdout=subprocess.DEVNULL)
        self.run([binary, "registry", "serve", "--listen", self.address, "--root", self.root])

    def header(self, actions="pull", repository=REPOSITORY):
        if not self.with_token:
            return None
        key = (actions, repository)
        token, until = self.tokens.get(key, (None, 0))
        if until < time.monotonic():
            connection = self.connect()
            basic = base64.b64encode(b"bench:secret").decode()
            connection.request(
                "GET", f"/token?service=strata&scope=repository:{repository}:{actions}",
                headers={"Authorization": f"Basic {basic}"})
            token = json.loads(connection.getresponse().read())["token"]
            self.tokens[key] = (token, time.monotonic() + 150)
        return f"Bearer {token}"


class Docker(Server):
    def __init__(self, name, work, with_token):
        super().__init__(name, work, with_token)
        self.tokens = {}
        auth = ""
        if with_token:
            self.key, certificate = self.folder / "key.pem", self.folder / "cert.pem"
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-subj", "/CN=bench", "-days", "2", "-keyout", self.key, "-out", certificate],
                check=True, stderr=subprocess.DEVNULL)
            self.chain = "".join(certificate.read_text().splitlines()[1:-1])
            auth = (
                f"auth: {{token: {{realm: 'http://{self.address}/token', service: bench, issuer: bench,"
                f" rootcertbundle: {certificate}}}}}\n")
        config = self.folder / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/data}}, cache: {{blobdescriptor: inmemory}}}}\n"
            f"{auth}http: {{addr: '{self.address}'}}\n")
        self.run(["docker-registry", "serve", config])

    def header(self, actions="pull", repository=REPOSITORY):
        """A token of a token server that is trusted: docker-registry has none of its own."""
        if not self.with_token:
            return None
        key = (actions, repository)
        if key not in self.tokens:
            def part(data):
                return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

            now = int(time.time())
            head = {"alg": "ES256", "typ": "JWT", "x5c": [self.chain]}
            claims = {
                "iss": "bench", "sub": "bench", "aud": "bench", "exp": now + 36000, "nbf": now - 5, "iat": now, "jti": "1",
                "access": [{"type": "repository", "name": repository, "actions": actions.split(",")}]}
            text = f"{part(json.dumps(head).encode())}.{part(json.dumps(claims).encode())}"
            der = subprocess.run(
                ["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), capture_output=True, check=True).stdout
            # DER of two integers to the 64 plain bytes that a token has.
            numbers, rest = b"", der[2:]
            for _ in range(2):
                size = rest[1]
                numbers += rest[2:2 + size].lstrip(b"\0").rjust(32, b"\0")
                rest = rest[2 + size:]
            self.tokens[key] = f"{text}.{part(numbers)}"
        return f"Bearer {self.tokens[key]}"


class Nginx(Server):
    """The same file by sendfile: what the kernel can do."""

    def __init__(self, name, work):
        super().__init__(name, work)
        config = self.folder / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes auto; pid {self.folder}/pid; error_log stderr error; user root;\n"
            "events { worker_connections 1024; }\n"
            "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;"
            f" client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;"
            f" fastcgi_temp_path {self.folder}/fcgi; uwsgi_temp_path {self.folder}/uwsgi; scgi_temp_path {self.folder}/scgi;"
            f" server {{ listen {self.address}; location / {{ root {self.folder}/files; }} }} }}\n")
        (self.folder / "files").mkdir()
        self.run(["nginx", "-c", config, "-p", self.folder])

    def fill(self, content):
        file = self.folder / "files/v2" / REPOSITORY / "blobs" / digest_of(content.blobs[-1])
        file.parent.mkdir(parents=True)
        file.write_bytes(content.blobs[-1])


class Content:
    """An image of eight layers: one large, the rest as small as a registry's answers are."""

    def __init__(self):
        self.blobs = [b"{}"] + [f"layer {number}".encode() * 100 for number in range(7)]
        self.blobs.append(os.urandom(BLOB_BYTES))
        self.large = digest_of(self.blobs[-1])
        self.manifest = self.image(self.blobs)
        self.small = self.image(self.blobs[:-1])
        self.digest = digest_of(self.manifest)

    @staticmethod
    def image(blobs):
        def entry(data, kind):
            return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest_of(data), "size": len(data)}

        return json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": entry(blobs[0], "config.v1+json"),
            "layers": [entry(data, "layer.v1.tar+gzip") for data in blobs[1:]]}, indent=2).encode()
