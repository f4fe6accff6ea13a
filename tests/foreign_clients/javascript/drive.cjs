// Sends every ML operation with AWS's SDK for JavaScript: drive.cjs <package.json> <url> <rounds>.
// Prints what was answered.
const { createRequire } = require("node:module");

const [, , packageFile, endpoint, rounds] = process.argv;
const sdk = createRequire(packageFile)("@aws-sdk/client-neptunedata");

const neptuneIamRoleArn = "arn:aws:iam::123456789012:role/service-role/NeptuneML";
const kinds = {
  MLDataProcessingJob: { inputDataS3Location: "s3://b/i", processedDataS3Location: "s3://b/o" },
  MLModelTrainingJob: { dataProcessingJobId: "done", trainModelS3Location: "s3://b/t" },
  MLModelTransformJob: {
    dataProcessingJobId: "done",
    mlModelTrainingJobId: "done",
    modelTransformOutputS3Location: "s3://b/o",
  },
  MLEndpoint: { mlModelTrainingJobId: "done" },
};

async function main() {
  const client = new sdk.NeptunedataClient({ endpoint, region: "us-east-1", maxAttempts: 1 });
  const send = (operation, input) => client.send(new sdk[`${operation}Command`]({ ...input, neptuneIamRoleArn }));
  const seen = [];
  for (let number = 0; number < Number(rounds); number += 1) {
    const id = `job-${number}`;
    for (const [kind, request] of Object.entries(kinds)) {
      const [start, stop] = kind === "MLEndpoint" ? ["Create", "Delete"] : ["Start", "Cancel"];
      seen.push((await send(`${start}${kind}`, { id, ...request })).id === id);
      seen.push(["InProgress", "Creating"].includes((await send(`Get${kind}`, { id })).status));
      seen.push((await send(`List${kind}s`, { maxItems: 3 })).ids.includes(id));
      seen.push((await send(`${stop}${kind}`, { id })).$metadata.httpStatusCode === 200);
      seen.push(["Stopping", "Deleting"].includes((await send(`Get${kind}`, { id })).status));
    }
    try {
      await send("GetMLEndpoint", { id: "unknown" });
    } catch (error) {
      seen.push(error.name === "MLResourceNotFoundException");
    }
  }
  const passed = seen.filter(Boolean).length;
  console.log(JSON.stringify({ passed, failed: seen.length - passed }));
}

main();
