"""`dossierd mcp`, asked by the protocol's own client for Python.

That client holds structured answers against the schemas that the tools state, so what passes
here is also what it promises to be.
"""

import asyncio
import contextlib
import json
import pathlib
import tempfile

import jsonschema
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

import subject
from instance import Instance
from report import Report

MOST_BYTES = 16 * 1024
TOOLS = ["artifact_text", "artifacts", "drift", "events", "missing", "overview"]


def text(result):
    return "\n".join(block.text for block in result.content)


@contextlib.asynccontextmanager
async def session(instance, where):
    parameters = StdioServerParameters(
        command=instance.binary, args=["mcp"], cwd=str(where), env={"DOSSIERD_HOME": str(instance.home)}
    )
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as asked:
        await asked.initialize()
        yield asked


async def check_all(report, instance, project, scratch):
    async with session(instance, scratch) as asked:
        tools = (await asked.list_tools()).tools
        report.equal("agents: the tools", sorted(tool.name for tool in tools), TOOLS)
        writing = [tool.name for tool in tools if not tool.annotations.read_only_hint]
        report.check("agents: every tool says that it only reads", writing)
        for tool in tools:
            for schema in filter(None, (tool.input_schema, tool.output_schema)):
                jsonschema.Draft202012Validator.check_schema(schema)
        size = len(json.dumps([tool.model_dump(mode="json", exclude={"output_schema"}) for tool in tools]))
        report.check("agents: what a model has to know of them is short", [] if size < 12_000 else [f"{size} bytes"])
        result = await asked.call_tool("overview", {})
        report.check(
            "agents: without a daemon the answer says how to start one",
            [] if result.is_error and "dossierd run" in text(result) else [text(result)],
        )
        instance.start()
        instance.ask("POST", "/api/features", body={"path": str(project)})
        await check_answers(report, asked, tools, project)
        report.equal("agents: the daemon ends as it should", instance.stop(), 0)


async def check_answers(report, asked, tools, project):
    slug = next(iter(subject.features(project)))
    schemas = {tool.name: tool.output_schema for tool in tools}
    for name in TOOLS:
        arguments = {"feature": slug} | ({"artifact": "spec.md"} if name == "artifact_text" else {})
        result = await asked.call_tool(name, arguments)
        size = len(result.model_dump_json(exclude_none=True))
        problems = [text(result)] if result.is_error else []
        problems += [f"{size} bytes"] if size > MOST_BYTES else []
        if schemas[name]:
            jsonschema.validate(result.structured_content, schemas[name])
        report.check(f"agents: {name} answers, and briefly", problems)
    (project / "kitty-specs" / slug / "spec.md").unlink()
    result = await asked.call_tool("missing", {"feature": slug})
    report.check("agents: what was just removed is missing", [] if "spec.md" in text(result) else [text(result)])


def main():
    options = subject.arguments(__doc__.splitlines()[0])
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch).resolve()
        project = subject.copy(subject.SAMPLE, scratch / "project")
        with Instance(options.binary, scratch / "home") as instance:
            asyncio.run(check_all(report, instance, project, scratch))
    report.end()


main()
