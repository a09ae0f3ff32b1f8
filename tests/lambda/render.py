"""The template as CloudFormation gets it: SAM's resources become plain ones. Reads template.yaml's path, prints JSON."""

import json
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

with open(sys.argv[1], encoding="utf-8") as file:
    template = yaml_parse(file.read())
for resource in template["Resources"].values():
    # Where `sam deploy` puts what `sam build` built.
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/key"


class NoManagedPolicies:
    """The functions bring roles of their own, so that nothing has to be asked of IAM."""

    def load(self):
        return {}


parameters = {name: value.get("Default", "") for name, value in template["Parameters"].items()}
print(json.dumps(transform(template, parameters, NoManagedPolicies())))
