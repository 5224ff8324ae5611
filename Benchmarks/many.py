"""Archives with many small images, for the cases that need a full store: the same images for docker's and OCI's readers."""
import gzip
import hashlib
import io
import json
import tarfile

import origin


def archives(work, count, own_layers):
    """{"docker": path, "oci": path}, made once. With `own_layers` each image brings a layer of its own on the shared one."""
    name = f"many-{count}{'-layers' if own_layers else ''}"
    made = {kind: work / f"{name}-{kind}.tar" for kind in ("docker", "oci")}
    if not all(path.exists() for path in made.values()):
        alpine = origin.Layout(work / "alpine")
        _write(made, alpine, count, own_layers)
    return made


def _write(made, alpine, count, own_layers):
    base_blob = alpine.path(alpine.layers[0]).read_bytes()
    base_tar = gzip.decompress(base_blob)
    blobs, tars, entries, manifests = {}, {}, [], []
    base = _add(blobs, base_blob), _add(tars, base_tar)
    for number in range(count):
        layers = [base]
        if own_layers:
            tar = _layer(number)
            layers.append((_add(blobs, gzip.compress(tar, mtime=0)), _add(tars, tar)))
        config = json.dumps({
            "architecture": alpine.config["architecture"], "os": "linux", "created": f"2024-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
            "config": {"Cmd": ["sh"], "Labels": {"n": str(number)}}, "rootfs": {"type": "layers", "diff_ids": [tar for _, tar in layers]},
            "history": [{"created_by": f"layer {n}"} for n in range(len(layers))],
        }).encode()
        digest = _add(blobs, config)
        tars[digest] = config
        tag = f"example.test/many/image{number}:v1"
        entries.append({"Config": _path(digest), "RepoTags": [tag], "Layers": [_path(tar) for _, tar in layers]})
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": blob, "size": len(blobs[blob])} for blob, _ in layers],
        }).encode()
        manifests.append({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": _add(blobs, manifest), "size": len(manifest),
            "annotations": {"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": f"v{number}"}})
    _tar(made["docker"], {**{_path(d): data for d, data in tars.items()}, "manifest.json": json.dumps(entries).encode()})
    _tar(made["oci"], {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}', **{_path(d): data for d, data in blobs.items()},
        "index.json": json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()})


def _path(digest):
    return "blobs/" + digest.replace(":", "/")


def _add(store, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    store[digest] = data
    return digest


def _layer(number):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for file in range(10):
            content = f"image {number}, file {file}\n".encode() * 40
            entry = tarfile.TarInfo(f"srv/image{number}/file{file}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def _tar(path, files):
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
