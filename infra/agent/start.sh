#!/bin/sh
# Starts the CloudWatch agent so that it publishes cpu_usage_active, mem_used_percent and disk_used_percent with the
# dimension Fleet, which the metrics `cpu`, `memory` and `disk` of a fleet spec read. For the user data of the launch
# template, on Amazon Linux 2023 with the package amazon-cloudwatch-agent in the image.
#
# Fleet is the tag ghostnet:fleet that GhostNet gives every instance at launch. To read it here, the launch template
# needs MetadataOptions: { HttpTokens: required, InstanceMetadataTags: enabled }, and the instance's role needs
# cloudwatch:PutMetricData (the managed policy CloudWatchAgentServerPolicy).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
metadata=http://169.254.169.254/latest

token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
fleet=$(curl -fsS -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/tags/instance/ghostnet:fleet")

config=/opt/aws/amazon-cloudwatch-agent/etc/ghostnet.json
sed "s/@FLEET@/$fleet/" "$here/amazon-cloudwatch-agent.json" > "$config"
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c "file:$config"
