"""Reads YAML files and prints each document as a line of JSON.

Usage: manifests.py [--kubernetes] FILE…      --kubernetes: each must be what the API server takes, without any field
                                              that it does not know
"""

import json
import sys

import kubernetes_validate
import yaml

VERSION = "1.37"


class Strict(yaml.SafeLoader):
    """Refuses a mapping that has a key twice."""

    def construct_mapping(self, node, deep=False):
        own = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        if len(own) != len(set(own)):
            raise yaml.constructor.ConstructorError(None, None, f"a key is there twice: {own}", node.start_mark)
        return super().construct_mapping(node, deep)


def main():
    arguments = sys.argv[1:]
    is_kubernetes = arguments[:1] == ["--kubernetes"]
    for file in arguments[is_kubernetes:]:
        with open(file) as opened:
            for document in yaml.load_all(opened, Strict):
                if is_kubernetes:
                    kubernetes_validate.validate(document, VERSION, strict=True)
                print(json.dumps(document))


main()
